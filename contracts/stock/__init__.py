"""Stock: what is received, reserved, short, released and low."""
