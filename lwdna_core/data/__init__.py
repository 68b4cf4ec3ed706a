"""What every task's data need."""
