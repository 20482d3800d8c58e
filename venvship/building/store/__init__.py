"""The content-addressed store of unpacked wheels and their bytecode.

`store` reads; `intake` and `cleaning` write.
"""
