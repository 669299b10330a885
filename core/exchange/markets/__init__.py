"""An exchange's contracts: names, sizes, status, and changes of them while they are traded."""
