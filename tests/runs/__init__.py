"""Run folders: listing, comparing, packing, other versions' runs, damaged and hostile ones."""
