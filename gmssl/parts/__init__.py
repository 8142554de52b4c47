"""The parts of every slot. A slot with small kinds is one file; every kind is registered as a plugin's would be."""
