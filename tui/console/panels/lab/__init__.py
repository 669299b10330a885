"""The lab's pages: runs, the form, one run, its trades, one trade, two runs side by side."""
