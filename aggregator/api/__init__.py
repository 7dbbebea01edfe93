"""The HTTP and WebSocket faces of the centre."""
