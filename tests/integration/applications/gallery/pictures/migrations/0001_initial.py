"""Pictures have a file."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """The first."""

    initial = True
    operations = [
        migrations.CreateModel(
            "Picture",
            [("id", models.BigAutoField(primary_key=True)), ("file", models.FileField(upload_to=""))],
        ),
    ]
