# fish completion for cfcfs

function __cfcfs_options
    set -l token (commandline -ct | string replace -r '^-o' '')
    set -l before (string replace -r '[^,]*$' '' -- $token)
    for option in url= token_file= cacert= state_dir= view=full view=spec ro nodelete delete_grace= rollout=none \
            rollout=10:100 rollout=manual: validate=strict validate=warn validate=off secret_newline=drop secret_newline=keep \
            cache_ttl= status_ttl= negative_ttl= stale_ttl= max_cache_size= rps= burst= max_conns= retries= connect_timeout= \
            timeout= uid= gid= umask= file_mode= dir_mode= allow_other loglevel=error loglevel=warning loglevel=info \
            loglevel=debug logfile=
        echo $before$option
    end
end

complete -c cfcfs -f -a '(__fish_complete_directories)'
complete -c cfcfs -s o -x -a '(__cfcfs_options)' -d 'options'
complete -c cfcfs -s f -d 'stay in the foreground'
complete -c cfcfs -s d -d 'show every FUSE request'
complete -c cfcfs -l help -d 'what it takes'
complete -c cfcfs -l version -d 'its version'
