"""What is said when the libraries of the extra `cluster` are not installed."""


def missing_extra(missing: ModuleNotFoundError) -> str:
    """What to do about a module that cannot be imported."""
    return f"the real servers need {missing.name}: install the extra, `pip install makegood[cluster]`"
