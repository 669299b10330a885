"""A Binance USD-M futures exchange in memory, and a loopback server around it, for tests and for trying the command."""
