# fish completion for cfcfs

# The options are those that cfcfs itself names; the values of some are known here.
function __cfcfs_options
    set -l token (commandline -ct | string replace -r '^-o' '')
    set -l before (string replace -r '[^,]*$' '' -- $token)
    for line in (cfcfs --help 2>/dev/null | sed -n '/^options/,/^$/s/^  \([a-z_]*=\{0,1\}\)[^ ]* *\(.*\)$/\1\t\2/p')
        set -l option (string split -m 1 \t -- $line)
        set -l values ''
        switch $option[1]
            case view=
                set values full spec
            case validate=
                set values strict warn off
            case secret_newline=
                set values drop keep
            case rollout=
                set values none 100 10:100 manual:
            case loglevel=
                set values error warning info debug
        end
        for value in $values
            printf '%s%s%s\t%s\n' $before $option[1] $value $option[2]
        end
    end
end

complete -c cfcfs -f -a '(__fish_complete_directories)'
complete -c cfcfs -s o -x -a '(__cfcfs_options)' -d 'options'
complete -c cfcfs -s f -d 'stay in the foreground'
complete -c cfcfs -s d -d 'show every FUSE request'
complete -c cfcfs -l help -d 'what it takes'
complete -c cfcfs -l version -d 'its version'
