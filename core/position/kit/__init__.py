"""The usual exits, a file each: `make(...)` gives the policy, and beside it stand the numbers that it goes by."""
