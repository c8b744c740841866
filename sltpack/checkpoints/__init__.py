"""What runs leave in files of torch.save, and the way from them to a ticket."""
