"""The Django project of its own, for `duly` without anybody else's."""
