"""An upgrade that fails its checks: which changes are to blame, and are held back so that the rest goes on.

Start with `search`, which carries out the trials, then `culprits`, which makes holds of its findings.
`meanwhile` notices that another command has worked in the root. The command is `operations/upgrade.py`.
"""
