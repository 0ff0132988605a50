# fish completion for cfcfs-sync

set -l verbs plan apply export wait
complete -c cfcfs-sync -f
complete -c cfcfs-sync -n "not __fish_seen_subcommand_from $verbs" -a plan -d 'print what apply would do'
complete -c cfcfs-sync -n "not __fish_seen_subcommand_from $verbs" -a apply -d 'make the account what the repository says'
complete -c cfcfs-sync -n "not __fish_seen_subcommand_from $verbs" -a export -d 'make the repository what the account is'
complete -c cfcfs-sync -n "not __fish_seen_subcommand_from $verbs" -a wait -d 'until rollouts are done and healthy'
complete -c cfcfs-sync -n '__fish_seen_subcommand_from plan apply export' -a '(__fish_complete_directories)'
complete -c cfcfs-sync -s o -x -d 'options of the mount'
complete -c cfcfs-sync -l account -x -d 'the account'
complete -c cfcfs-sync -l prune -d 'delete what the repository lacks'
complete -c cfcfs-sync -l max-delete -x -d 'refuse more deletes than that'
complete -c cfcfs-sync -l wait -x -d 'for how many seconds'
complete -c cfcfs-sync -l json -d 'the plan for programs'
complete -c cfcfs-sync -l help -d 'what it takes'
complete -c cfcfs-sync -l version -d 'its version'
