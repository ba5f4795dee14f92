"""Networks in forms that others read."""
