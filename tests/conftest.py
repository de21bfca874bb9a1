"""What all tests share."""

from hypothesis import settings

# A busy machine is no failure: how long one example may take says nothing about what must hold.
settings.register_profile("makegood", deadline=None)
settings.load_profile("makegood")
