"""What the files of a checkout tell about the application in it, for `init --from`. Nothing of it is run."""
