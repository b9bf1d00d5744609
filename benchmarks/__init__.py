"""What duly and its peers do, measured; see README.md."""

import zoneinfo

# Otherwise zoneinfo reads the operating system's copy first, and peers would run on other data
# than duly.
zoneinfo.reset_tzpath(to=())
