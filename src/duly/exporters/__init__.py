"""What duly says of itself, in the forms that others read."""
