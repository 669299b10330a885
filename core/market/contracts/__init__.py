"""What an exchange asks of orders in a contract: rules read, inferred, kept with their day and source."""
