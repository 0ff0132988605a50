# fish completion for cfcfs-emulator

complete -c cfcfs-emulator -f
complete -c cfcfs-emulator -l listen -x -d 'where to listen: ADDR:PORT'
complete -c cfcfs-emulator -l db -r -F -d 'keep the state in a file'
complete -c cfcfs-emulator -l token -x -d 'a token that is accepted'
complete -c cfcfs-emulator -l seed -x -a sample -d 'start with data'
complete -c cfcfs-emulator -l latency -x -d 'make every answer later, milliseconds'
complete -c cfcfs-emulator -l time-scale -x -d 'let time pass faster'
complete -c cfcfs-emulator -l rate -x -d 'rate limit of an account: N/SECONDS'
complete -c cfcfs-emulator -l surface -x -a 'full wrangler official' -d 'which operations there are'
complete -c cfcfs-emulator -l profile -x -a 'live ideal' -d 'how it behaves'
complete -c cfcfs-emulator -l patch -x -a 'merge replace' -d 'what a PATCH does'
complete -c cfcfs-emulator -l null -x -a 'refuse clear ignore' -d 'what a null in a change does'
complete -c cfcfs-emulator -l tls-cert -r -F -d 'certificate'
complete -c cfcfs-emulator -l tls-key -r -F -d 'its key'
complete -c cfcfs-emulator -l help -d 'what it takes'
complete -c cfcfs-emulator -l version -d 'its version'
