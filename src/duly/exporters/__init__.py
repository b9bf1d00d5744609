"""What duly says about itself, in the forms that others read."""
