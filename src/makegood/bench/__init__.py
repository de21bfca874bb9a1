"""What an order and a callback cost, measured over HTTP, and beside each the least that the same work could cost."""
