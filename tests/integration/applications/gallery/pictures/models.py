"""What is in the database."""

from django.db import models


class Picture(models.Model):
    """A picture that somebody has handed in."""

    file = models.FileField()
