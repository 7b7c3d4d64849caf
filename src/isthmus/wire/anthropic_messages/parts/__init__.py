"""What requests and answers of Messages are made of, each piece read and written in one file."""
