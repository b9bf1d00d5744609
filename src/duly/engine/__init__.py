"""Motion: plan -> dispatch -> execute -> record."""
