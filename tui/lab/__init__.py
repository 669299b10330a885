"""The lab as the console uses it, without its drawing: what was read, the form, the run under way. No Textual."""
