EXTRA_DIST += \
	%reldir%/generate.py \
	%reldir%/intervals.py \
	%reldir%/lock.py \
	%reldir%/locks.py \
	%reldir%/measures.py \
	%reldir%/placement.py \
	%reldir%/plots.py \
	%reldir%/published.py \
	%reldir%/results.py \
	%reldir%/tables.py \
	%reldir%/tex.py
