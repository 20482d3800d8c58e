"""What visitors see."""

import os
import sys

from django.shortcuts import render

from library.models import Book


def shown(book):
    """A book in the list."""
    return book.title


def index(request):
    """All books."""
    books = [shown(book) for book in Book.objects.order_by("id")]
    return render(request, "library/index.html", {"books": books, "release": os.path.basename(sys.prefix)})
