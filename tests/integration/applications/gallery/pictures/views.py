"""What visitors see, and hand in."""

import os
import sys

from django.shortcuts import redirect, render

from pictures.models import Picture


def shown(picture):
    """A picture in the list."""
    return picture.file.name


def index(request):
    """All pictures; takes another one."""
    if request.method == "POST":
        Picture.objects.create(file=request.FILES["picture"])
        return redirect("/")
    pictures = [shown(picture) for picture in Picture.objects.order_by("id")]
    return render(request, "index.html", {"pictures": pictures, "release": os.path.basename(sys.prefix)})
