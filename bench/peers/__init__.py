"""Others that push to browsers, each in its own way at its best: installed and started only by the comparisons."""
