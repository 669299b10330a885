"""What verbs and console write with: numbers, times, tables and pictures as text. No Textual."""
