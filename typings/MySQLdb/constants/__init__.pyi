"""Numbers of the MySQL protocol."""

from MySQLdb.constants import FIELD_TYPE as FIELD_TYPE
from MySQLdb.constants import FLAG as FLAG
