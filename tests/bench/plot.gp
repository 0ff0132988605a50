# Bars of the hot operations: data is a table of names and nanoseconds, out the SVG.
set terminal svg size 900,460 font "sans-serif,13" background "white"
set output out
set title "Hot operations, nanoseconds each (less is better, logarithmic)"
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.85 border -1
set boxwidth 0.9
set logscale y
set yrange [50:*]
set format y "%g"
set grid ytics
set key top right
set datafile missing "?"
plot for [i=2:*] data using i:xtic(1) title columnheader(i)
