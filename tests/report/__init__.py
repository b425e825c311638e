"""What is shown: tables, figures, pages, numbers, text from outside, terminals."""
