"""duly and its peers fire events side by side; see README.md."""
