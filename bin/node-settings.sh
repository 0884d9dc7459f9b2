# How Node.js runs the sensor: its flags as $flags, and settings of glibc as $tunables. Read by bin/borescope, and by the benchmarks,
# which measure what users get.

# Events are short-lived, and what stays are typed arrays outside the heap: a larger nursery, or a heap that grows faster,
# only holds more garbage. With these two the sensor takes 100 MB less, for 3 % more time.
flags='--max-semi-space-size=8 --heap-growing-percent=25'

# A heap that begins at its usual size is not collected as a whole while the tables fill: a twentieth of a short run.
flags="$flags --initial-heap-size=96"

# The packet path is many small functions, more than V8 joins by default: this spares a tenth of the time.
flags="$flags --max-inlined-bytecode-size-cumulative=5000"

# V8 compiles and collects in four threads beside the packets: with fewer processors than that they take turns with the
# packet path, which costs a tenth of a short run on two.
processors=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 4)
flags="$flags --v8-pool-size=$((processors > 4 ? 4 : processors > 1 ? processors - 1 : 1))"

# A packet of one of a million sessions looks at places all over large tables: with pages of 2 MiB instead of 4 KiB the processor
# finds them in two thirds of the time. glibc asks the kernel for them where those pages are for whoever asks.
tunables='glibc.malloc.hugetlb=1'
