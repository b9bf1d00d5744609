"""What each verb does, one module each; imported once Django is ready."""
