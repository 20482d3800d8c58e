"""Whether the board can be read: `python -m bulletin.health`."""

from bulletin import board

if __name__ == "__main__":
    print(f"{len(board.notes())} notes")
