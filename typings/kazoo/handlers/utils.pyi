from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

class AsyncResult(Generic[T]):
    def get_nowait(self) -> T: ...
    def rawlink(self, callback: Callable[[AsyncResult[T]], object]) -> None: ...
