"""Which of the package changes between two locked sets make a check fail. Pure.

Start with `search`: it asks for one trial after the other, and is told each verdict. `changes` has the two
sets and how they differ. `closure` mixes them so that every mix is consistent.
"""
