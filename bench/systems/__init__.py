"""What is measured and what it is measured against: how each is started, waited for and stopped."""
