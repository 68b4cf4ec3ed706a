"""The controlled experiment: arms that differ in their channels alone, trained under one protocol over seeds."""
