"""What is in the database."""

from django.db import models


class Book(models.Model):
    """A book."""

    title = models.CharField(max_length=200)
