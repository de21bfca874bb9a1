"""What a process tells the people who run it: logs and traces. Its figures are the web's `/metrics`.

`set_up` is called once, before anything else runs; the engine itself knows no exporter.
"""

from makegood.observe.setting_up import Observing, ObservingFailed, set_up
from makegood.observe.settings import ObserveSettings

__all__ = ["ObserveSettings", "Observing", "ObservingFailed", "set_up"]
