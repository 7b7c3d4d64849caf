"""What requests and answers of Converse are made of, each piece read and written in one file."""
