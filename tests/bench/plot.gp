# Bars of the hot operations: data is a table of names and nanoseconds, out the SVG.
set terminal svg size 960,480 font "sans-serif,13" background "white"
set output out
set title "Hot operations, microseconds each (less is better, logarithmic)"
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.85 border -1
set boxwidth 0.9
set logscale y
set yrange [0.05:3000]
set ytics ("0.1" 0.1, "1" 1, "10" 10, "100" 100, "1,000" 1000)
set ylabel "µs"
set encoding utf8
set xtics font ",11"
set bmargin 5
set grid ytics
set key top right horizontal
set datafile missing "?"
plot for [i=2:*] data using (column(i) / 1000):xtic(1) title columnheader(i)
