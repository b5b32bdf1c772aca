"""Stock: received, reserved, short, released and low."""
