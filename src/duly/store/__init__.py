"""Every statement that duly sends to a database."""
